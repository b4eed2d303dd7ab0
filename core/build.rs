//! Says which instruction set a Cortex-M has, where stable Rust has no `target_feature` for it.

use std::env;

/// Armv8-M cores with the DSP extension, as LLVM calls them.
const WITH_DSP: [&str; 3] = ["cortex-m33", "cortex-m35p", "star-mc1"];
/// Those with Helium.
const WITH_MVE: [&str; 3] = ["cortex-m52", "cortex-m55", "cortex-m85"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(denselet_arm, values(none(), \"v6m\", \"v7m\", \"dsp\", \"mve\"))");
    let target = env::var("TARGET").unwrap_or_default();
    // Every Armv7E-M core has the DSP extension. For an Armv8-M core, a feature or the target CPU selects it, as it does Helium.
    let is_said =
        |feature, cores: [&str; 3]| env::var_os(feature).is_some() || cores.contains(&&*target_cpu());
    let starts_with = |start| target.starts_with(start);
    let has_dsp = starts_with("thumbv7em") || WITH_DSP.contains(&&*target_cpu());
    let (set, cpu) = if starts_with("thumbv6m") {
        ("v6m", "cortex-m0")
    } else if starts_with("thumbv8m.base") {
        ("v6m", "cortex-m23")
    } else if starts_with("thumbv7m") {
        ("v7m", "cortex-m3")
    } else if starts_with("thumbv7em") {
        ("dsp", "cortex-m4")
    } else if starts_with("thumbv8m.main") && is_said("CARGO_FEATURE_MVE", WITH_MVE) {
        ("mve", "cortex-m55")
    } else if starts_with("thumbv8m.main") && is_said("CARGO_FEATURE_DSP", WITH_DSP) {
        ("dsp", "cortex-m33")
    } else if starts_with("thumbv8m.main") {
        ("v7m", "cortex-m33")
    } else {
        return;
    };
    println!("cargo::rustc-cfg=denselet_arm");
    println!("cargo::rustc-cfg=denselet_arm=\"{set}\"");
    // The assembler does not look at the compiler's flags.
    println!("cargo::rustc-env=DENSELET_CPU={cpu}");
    let dsp = if has_dsp {
        String::new()
    } else {
        format!(".cpu {cpu};")
    };
    println!("cargo::rustc-env=DENSELET_DSP={dsp}");
}

/// What `-C target-cpu` says.
fn target_cpu() -> String {
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let cpus = flags.split("target-cpu=").skip(1);
    let last = cpus.last().unwrap_or_default();
    last.split(['\u{1f}', ' ']).next().unwrap_or_default().to_owned()
}
