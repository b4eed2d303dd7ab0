//! Says which instruction sets the target has, where stable Rust has no `target_feature` for them.

use std::env;

/// Cores with Helium, by their names in `-C target-cpu`.
const MVE_CORES: [&str; 3] = ["cortex-m52", "cortex-m55", "cortex-m85"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(denselet_dsp, denselet_mve)");
    let target = env::var("TARGET").unwrap_or_default();
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    // Every Armv7E-M core has the DSP extension; for an Armv8-M core, somebody has to say so.
    let is_v8m = target.starts_with("thumbv8m.main");
    let has = |feature: &str| env::var_os(format!("CARGO_FEATURE_{feature}")).is_some();
    if target.starts_with("thumbv7em") || is_v8m && has("DSP") {
        println!("cargo::rustc-cfg=denselet_dsp");
    }
    let mut options = flags.split('\x1f').flat_map(|flag| flag.split([' ', '=']));
    if is_v8m && (has("MVE") || options.any(|option| MVE_CORES.contains(&option))) {
        println!("cargo::rustc-cfg=denselet_mve");
    }
}
