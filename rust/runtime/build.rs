//! Passes the target machine to the crate: `describe` reports it.

fn main() {
    let target = std::env::var("TARGET").expect("cargo sets TARGET");
    println!("cargo::rustc-env=SWEEP_TARGET={target}");
    println!("cargo::rerun-if-changed=build.rs");
}
