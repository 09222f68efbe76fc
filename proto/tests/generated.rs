//! The committed code is what the `.proto` files say.

use std::fs;
use std::path::{Path, PathBuf};

use prost::Message;
use tonic_prost_build::Config;

#[test]
fn committed_code_is_current() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let committed = root.join("src/generated");
    let fresh = tempfile::tempdir().expect("a temporary folder");
    generate(root, fresh.path());

    if std::env::var_os("REGENERATE").is_some() {
        for path in files(fresh.path(), "") {
            let target = committed.join(path.file_name().expect("a file"));
            fs::copy(&path, target).expect("write generated code");
        }
    }
    let names = |folder: &Path| -> Vec<_> {
        files(folder, "").iter().map(|path| path.file_name().expect("a file").to_owned()).collect()
    };
    assert_eq!(names(&committed), names(fresh.path()));
    for path in files(fresh.path(), "") {
        let name = path.file_name().expect("a file");
        assert!(
            fs::read(&path).ok() == fs::read(committed.join(name)).ok(),
            "{} is stale: run `REGENERATE=1 cargo test -p contacts-proto`",
            name.display(),
        );
    }
}

/// Compiles every `.proto` file below `root` into `out`.
fn generate(root: &Path, out: &Path) {
    let protos: Vec<_> = ["google/rpc", "whatatalk/contacts/v1"]
        .iter()
        .flat_map(|folder| files(&root.join(folder), "proto"))
        .collect();
    let descriptors = protox::compile(&protos, [root]).expect("the .proto files compile");
    fs::write(out.join("descriptor_set.bin"), descriptors.encode_to_vec()).expect("write");

    let mut config = Config::new();
    config.enable_type_names();
    tonic_prost_build::configure()
        .out_dir(out)
        .emit_rerun_if_changed(false)
        .client_mod_attribute(".", "#[cfg(feature = \"client\")]")
        .server_mod_attribute(".", "#[cfg(feature = \"server\")]")
        // Ordered, so that equal requests encode to equal bytes.
        .btree_map(".")
        .extern_path(".google.rpc", "::tonic_types::pb")
        .extern_path(".whatatalk.contacts.v1.ContactBatch", "crate::ContactBatch")
        .compile_fds_with_config(descriptors, config)
        .expect("code generation");
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| extension.is_empty() || path.extension().is_some_and(|e| e == extension))
        .collect();
    found.sort();
    found
}
