//! The machine: its model, its processor, its temperature, and whether it is slowed down. Reads files of the kernel and nothing else.

mod identity;
mod thermal;

pub use identity::Identity;
pub use thermal::{held_back, soc_temperature_c};

/// Writes a file of the kernel below another root.
#[cfg(test)]
fn write(root: &std::path::Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}
