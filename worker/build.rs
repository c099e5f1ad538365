//! Lets the worker find libtorch by itself: its folder becomes the program's RUNPATH, which `LD_LIBRARY_PATH` overrules.

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_TORCH").is_none() {
        return;
    }
    if let Ok(folder) = std::env::var("LIBTORCH") {
        // A RUNPATH, unlike the older RPATH, is searched after LD_LIBRARY_PATH.
        println!("cargo:rustc-link-arg=-Wl,--enable-new-dtags,-rpath,{folder}/lib");
    }
}
