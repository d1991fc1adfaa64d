//! What the machine tells of itself: its model, its processor, how warm it is, and whether it is held back.
//!
//! Reads files of the kernel and nothing else. Knows nothing of who asks.

mod identity;
mod thermal;
mod throttling;

pub use identity::Identity;
pub use thermal::soc_temperature_c;
pub use throttling::held_back;

/// Writes one of the kernel's files below another root.
#[cfg(test)]
fn write(root: &std::path::Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}
