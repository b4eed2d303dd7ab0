//! Says which instruction sets the target has, where stable Rust has no `target_feature` for them.

use std::env;

/// Armv8-M cores with the DSP extension, as LLVM calls them.
const WITH_DSP: [&str; 3] = ["cortex-m33", "cortex-m35p", "star-mc1"];
/// Those with Helium.
const WITH_MVE: [&str; 3] = ["cortex-m52", "cortex-m55", "cortex-m85"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(denselet_dsp)");
    println!("cargo::rustc-check-cfg=cfg(denselet_mve)");
    println!("cargo::rustc-check-cfg=cfg(denselet_narrow)");
    let target = env::var("TARGET").unwrap_or_default();
    // A multiplication gives 32 bits on these.
    if target.starts_with("thumbv6m") || target.starts_with("thumbv8m.base") {
        println!("cargo::rustc-cfg=denselet_narrow");
    }
    // Every Armv7E-M core has the DSP extension; for an Armv8-M core, somebody has to say so. The same goes for Helium.
    let is_said =
        |feature, cores: [&str; 3]| env::var_os(feature).is_some() || cores.contains(&&*target_cpu());
    let is_v8m = target.starts_with("thumbv8m.main");
    if is_v8m && is_said("CARGO_FEATURE_MVE", WITH_MVE) {
        println!("cargo::rustc-cfg=denselet_mve");
        return;
    }
    let cpu = if target.starts_with("thumbv7em") {
        "cortex-m4"
    } else if is_v8m && is_said("CARGO_FEATURE_DSP", WITH_DSP) {
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
