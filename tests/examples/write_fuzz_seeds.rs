//! Writes the fuzz targets' seeds anew from the vectors; `tests/fuzz_seeds.rs` says when that is due.

use std::fs;

use netipc_tests::oracle::Message;
use netipc_tests::seeds;

fn main() -> std::io::Result<()> {
    for message in Message::ALL {
        fs::create_dir_all(seeds::directory(message))?;
    }
    for target in
        [seeds::NATURAL, seeds::ENVELOPE, seeds::DISPATCH, seeds::LOOKUP].into_iter().chain(seeds::CONVERSATION)
    {
        fs::create_dir_all(seeds::directory_of(target))?;
    }
    for (path, payload) in seeds::all() {
        fs::write(path, payload)?;
    }
    Ok(())
}
