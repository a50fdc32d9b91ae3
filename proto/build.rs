//! Compiles the contract in pure Rust: no `protoc` is needed on the machine.

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let out = std::path::PathBuf::from(std::env::var("OUT_DIR")?);
    let files = [
        "activation",
        "error_reason",
        "extension",
        "filter",
        "user",
        "group",
        "mail",
        "search",
        "tenant",
        "token",
    ]
    .map(|name| format!("directory/v1/{name}.proto"));
    let descriptors = protox::compile(files, ["."])?;
    std::fs::write(out.join("directory_v1.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure().compile_fds(descriptors)?;
    println!("cargo:rerun-if-changed=directory");
    Ok(())
}
