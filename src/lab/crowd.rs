//! A data set of one folder a person, and the walk over its photographs on several threads: results come in the order of the
//! photographs, and no more than a few wait at any time.
//!
//! Knows nothing of what is done with a photograph.

use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use thiserror::Error;

pub use super::folder::{Inside, LeftOut, inside, persons};

/// Results of one thread that wait for their turn. Large enough that one slow photograph does not stop the other threads, small
/// enough that results of a megabyte do not matter.
const WAITING: usize = 16;

/// One file of a data set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Photograph {
    /// The folder's name, which in such a data set is the person's.
    pub person: String,
    pub file: PathBuf,
}

/// Why a data set cannot be listed.
#[derive(Debug, Error)]
pub enum CrowdError {
    #[error("{} cannot be read: {why}", path.display())]
    Unreadable { path: PathBuf, why: std::io::Error },
    #[error("{} has no folders with photographs; one folder a person is expected", path.display())]
    NoPeople { path: PathBuf },
    #[error("{} holds no photographs", path.display())]
    NoPhotographs { path: PathBuf },
}

/// The photographs of a data set of one folder a person, by folder, then by name. Every visible file counts as one: what is no
/// picture is found out, and told, when it is read. Files beside the folders, and folders inside them, are left out, and are returned
/// with their reasons.
pub fn people(folder: &Path) -> Result<(Vec<Photograph>, Vec<LeftOut>), CrowdError> {
    let mut photographs = Vec::new();
    let Inside { folders, mut left_out, .. } = persons(folder)?;
    for person in folders {
        let own = inside(&person)?;
        photographs.extend(own.files.into_iter().map(|file| Photograph { person: name(&person), file }));
        left_out.extend(own.folders.iter().map(|folder| LeftOut::folder(folder)).chain(own.left_out));
    }
    match photographs.is_empty() {
        true => Err(CrowdError::NoPeople { path: folder.to_owned() }),
        false => Ok((photographs, left_out)),
    }
}

/// All visible files in `folder` and in the folders below it, by path; `person` is the name of the folder that a file lies in.
/// Linked folders are not followed, so that a link to a parent does no harm; they are left out, and returned with their reason.
pub fn everything(folder: &Path) -> Result<(Vec<Photograph>, Vec<LeftOut>), CrowdError> {
    let (mut photographs, mut left_out) = (Vec::new(), Vec::new());
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        let found = inside(&at)?;
        for path in found.folders {
            match path.is_symlink() {
                false => folders.push(path),
                true => {
                    let why = "this is a link to a folder, which is not followed; name that folder itself".to_owned();
                    left_out.push(LeftOut { path, why });
                }
            }
        }
        photographs.extend(found.files.into_iter().map(|file| Photograph { person: name(&at), file }));
        left_out.extend(found.left_out);
    }
    photographs.sort_by(|a, b| a.file.cmp(&b.file));
    left_out.sort_by(|a, b| a.path.cmp(&b.path));
    match photographs.is_empty() {
        true => Err(CrowdError::NoPhotographs { path: folder.to_owned() }),
        false => Ok((photographs, left_out)),
    }
}

/// Whether `out`, which need not be there yet, is `data` or lies in it: what is written there would count as part of the data set.
pub fn lies_inside(out: &Path, data: &Path) -> bool {
    let absolute = std::path::absolute(out).unwrap_or_else(|_| out.to_owned());
    // What is not there yet will lie in what is.
    let there = absolute.ancestors().find_map(|ancestor| ancestor.canonicalize().ok());
    matches!((there, data.canonicalize()), (Some(out), Ok(data)) if out.starts_with(&data))
}

/// As many threads as there are processors for this process.
pub fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// As many threads as look at photographs side by side when nothing is said: one for each processor, as long as there is memory for what each takes
/// ([`BYTES_A_THREAD`]).
pub fn usual_threads() -> usize {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    match available_bytes(&text) {
        Some(bytes) => all_cores().min((bytes / BYTES_A_THREAD) as usize).max(1),
        None => all_cores(),
    }
}

/// What a thread takes that looks for faces in photographs of [`crate::photo::LARGE_PIXELS`], and a little more.
pub const BYTES_A_THREAD: u64 = 256 << 20;

/// `MemAvailable` of a `/proc/meminfo`.
fn available_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// Does `work` on each of `items`, one thread for each of `workers` (usually a [`crate::vision::Vision`]), and hands the results to
/// `take` on this thread, in the order of the items. At most 16 results a thread wait; a thread that is further ahead pauses.
///
/// # Errors
/// The first that `take` returns; the threads then finish the item they are at, and the rest is left.
///
/// # Panics
/// When `work` panics, and when there are items but no workers.
pub fn walk<T: Sync, W: Send, R: Send, E>(
    items: &[T],
    workers: &mut [W],
    work: impl Fn(&mut W, &T) -> R + Sync,
    mut take: impl FnMut(&T, R) -> Result<(), E>,
) -> Result<(), E> {
    let threads = workers.len();
    std::thread::scope(|scope| {
        // Item i belongs to thread i modulo n, so each thread's results are in order and taking turns puts them all in order.
        let results: Vec<_> = workers
            .iter_mut()
            .enumerate()
            .map(|(first, worker)| {
                let (sender, receiver) = sync_channel(WAITING);
                let work = &work;
                scope.spawn(move || {
                    for item in items.iter().skip(first).step_by(threads) {
                        // Nobody takes any more: something went wrong there.
                        if sender.send(work(worker, item)).is_err() {
                            break;
                        }
                    }
                });
                receiver
            })
            .collect();
        for (i, item) in items.iter().enumerate() {
            // A closed channel before the end means that its thread panicked; the scope passes the panic on.
            let Ok(result) = results[i % threads].recv() else { break };
            take(item, result)?;
        }
        Ok(())
    })
}

fn name(folder: &Path) -> String {
    folder.file_name().unwrap_or(OsStr::new(".")).to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn touch(path: PathBuf) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }

    fn listed(photographs: &[Photograph], folder: &Path) -> Vec<String> {
        let one = |p: &Photograph| format!("{}: {}", p.person, p.file.strip_prefix(folder).unwrap().display());
        photographs.iter().map(one).collect()
    }

    #[test]
    fn people_are_folders_and_everything_is_below() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for file in
            ["bob/2.jpg", "bob/1.jpg", "ada/1.png", "ada/.hidden", "ada/more/3.jpg", "loose.jpg", ".cache/4.jpg"]
        {
            touch(root.join(file));
        }
        let (all, left_out) = people(root).unwrap();
        let rest: Vec<_> = left_out.iter().map(|l| l.path.strip_prefix(root).unwrap().to_str().unwrap()).collect();
        assert_eq!(rest, ["loose.jpg", "ada/more"]);
        assert_eq!(listed(&all, root), ["ada: ada/1.png", "bob: bob/1.jpg", "bob: bob/2.jpg"]);
        std::os::unix::fs::symlink(root, root.join("ada/loop")).unwrap();
        let (all, left_out) = everything(root).unwrap();
        assert_eq!(left_out.len(), 1, "the linked folder");
        let own = root.file_name().unwrap().to_str().unwrap();
        assert_eq!(
            listed(&all, root),
            [
                "ada: ada/1.png".to_owned(),
                "more: ada/more/3.jpg".to_owned(),
                "bob: bob/1.jpg".to_owned(),
                "bob: bob/2.jpg".to_owned(),
                format!("{own}: loose.jpg"),
            ]
        );
    }

    #[test]
    fn what_is_no_data_set_is_said() {
        let folder = tempfile::tempdir().unwrap();
        touch(folder.path().join("loose.jpg"));
        assert!(people(folder.path()).unwrap_err().to_string().contains("one folder a person is expected"));
        assert!(people(&folder.path().join("missing")).unwrap_err().to_string().contains("missing cannot be read"));
        assert!(everything(tempfile::tempdir().unwrap().path()).is_err());
    }

    #[test]
    fn threads_need_memory() {
        assert_eq!(available_bytes("MemTotal: 1 kB\nMemAvailable:  416512 kB\n"), Some(416_512 * 1024));
        assert_eq!(available_bytes("MemTotal: 1 kB\n"), None);
        assert!((1..=all_cores()).contains(&usual_threads()));
    }

    #[test]
    fn results_do_not_pile_up() {
        let items: Vec<usize> = (0..500).collect();
        let (made, mut taken, mut most) = (AtomicUsize::new(0), 0, 0);
        walk(
            &items,
            &mut [(); 3],
            |(), &i| {
                made.fetch_add(1, Ordering::Relaxed);
                i
            },
            |_, _| {
                taken += 1;
                most = most.max(made.load(Ordering::Relaxed) - taken);
                // The threads run ahead as far as they can.
                std::thread::sleep(std::time::Duration::from_micros(50));
                Ok::<_, ()>(())
            },
        )
        .unwrap();
        // Each thread has what its channel holds, and one result in hand.
        assert!(most <= 3 * (WAITING + 1), "{most} waited");
    }

    #[test]
    fn the_first_error_ends_the_walk() {
        let items: Vec<usize> = (0..10_000).collect();
        let made = AtomicUsize::new(0);
        let end = walk(
            &items,
            &mut [(), ()],
            |(), &i| {
                made.fetch_add(1, Ordering::Relaxed);
                i
            },
            |_, i| if i == 20 { Err(i) } else { Ok(()) },
        );
        assert_eq!(end, Err(20));
        assert!(made.load(Ordering::Relaxed) < 100);
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_items_on_any_number_of_threads(count in 0usize..200, threads in 1usize..6, seed in any::<u64>()) {
            let items: Vec<usize> = (0..count).collect();
            let mut taken = Vec::new();
            let work = |_: &mut (), &i: &usize| {
                // Some items take longer than others.
                for _ in 0..(seed.rotate_left(i as u32) % 7) * 50 { std::hint::spin_loop(); }
                i * 2
            };
            walk(&items, &mut vec![(); threads], work, |&i, r| { taken.push((i, r)); Ok::<_, ()>(()) }).unwrap();
            prop_assert_eq!(taken, items.iter().map(|&i| (i, i * 2)).collect::<Vec<_>>());
        }
    }
}
