//! Says which instruction sets the target has, where stable Rust has no `target_feature` for them.

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(denselet_dsp)");
    let target = env::var("TARGET").unwrap_or_default();
    // Every Armv7E-M core has the DSP extension; for an Armv8-M core, somebody has to say so.
    let may_have_dsp = target.starts_with("thumbv8m.main") && env::var_os("CARGO_FEATURE_DSP").is_some();
    if target.starts_with("thumbv7em") || may_have_dsp {
        println!("cargo::rustc-cfg=denselet_dsp");
    }
}
