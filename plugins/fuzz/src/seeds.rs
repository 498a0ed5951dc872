//! What the fuzzers begin with.

use std::fs;
use std::io;
use std::path::Path;

/// Writes inputs into `corpus/<target>`, by name, unless the folder is there.
pub fn plant(target: &str, seeds: impl IntoIterator<Item = (String, Vec<u8>)>) {
    let folder = Path::new("corpus").join(target);
    if !folder.exists() {
        write(&folder, seeds).expect("the corpus can be written");
    }
}

fn write(folder: &Path, seeds: impl IntoIterator<Item = (String, Vec<u8>)>) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    seeds.into_iter().try_for_each(|(name, seed)| fs::write(folder.join(name), seed))
}
