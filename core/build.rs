//! Says which instruction sets the target has, where stable Rust has no `target_feature` for them.

use std::env;

/// Armv8-M cores with the DSP extension, as LLVM calls them.
const WITH_DSP: [&str; 3] = ["cortex-m33", "cortex-m35p", "star-mc1"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(denselet_dsp)");
    let target = env::var("TARGET").unwrap_or_default();
    // Every Armv7E-M core has it; for an Armv8-M core, somebody has to say so.
    let is_said = env::var_os("CARGO_FEATURE_DSP").is_some() || WITH_DSP.contains(&&*target_cpu());
    let cpu = if target.starts_with("thumbv7em") {
        "cortex-m4"
    } else if target.starts_with("thumbv8m.main") && is_said {
        "cortex-m33"
    } else {
        return;
    };
    println!("cargo::rustc-cfg=denselet_dsp");
    // The assembler does not look at the compiler's flags.
    println!("cargo::rustc-env=DENSELET_DSP_CPU={cpu}");
}

/// What `-C target-cpu` says.
fn target_cpu() -> String {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let cpus = flags.split("target-cpu=").skip(1);
    let last = cpus.last().unwrap_or_default();
    last.split(['\u{1f}', ' ']).next().unwrap_or_default().to_owned()
}
