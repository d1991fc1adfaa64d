//! A data set of one folder a person, and the walk over its photographs on several threads: results come in the order of the
//! photographs, and no more than a few wait at any time.
//!
//! Knows nothing of what is done with a photograph.

use std::ffi::OsStr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use thiserror::Error;

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
/// picture is found out, and told, when it is read. Files beside the folders, and folders inside them, are left out.
pub fn people(folder: &Path) -> Result<Vec<Photograph>, CrowdError> {
    let mut photographs = Vec::new();
    for person in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
        for file in entries(&person)?.into_iter().filter(|path| path.is_file()) {
            photographs.push(Photograph { person: name(&person), file });
        }
    }
    match photographs.is_empty() {
        true => Err(CrowdError::NoPeople { path: folder.to_owned() }),
        false => Ok(photographs),
    }
}

/// All visible files in `folder` and in the folders below it, by path; `person` is the name of the folder that a file lies in.
/// Linked folders are not followed, so that a link to a parent does no harm.
pub fn everything(folder: &Path) -> Result<Vec<Photograph>, CrowdError> {
    let mut photographs = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inside) = folders.pop() {
        for path in entries(&inside)? {
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else if path.is_file() {
                photographs.push(Photograph { person: name(&inside), file: path });
            }
        }
    }
    photographs.sort_by(|a, b| a.file.cmp(&b.file));
    match photographs.is_empty() {
        true => Err(CrowdError::NoPhotographs { path: folder.to_owned() }),
        false => Ok(photographs),
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

/// What lies in a folder, by name; hidden entries are left out.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, CrowdError> {
    let unreadable = |why| CrowdError::Unreadable { path: folder.to_owned(), why };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
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
        assert_eq!(listed(&people(root).unwrap(), root), ["ada: ada/1.png", "bob: bob/1.jpg", "bob: bob/2.jpg"]);
        std::os::unix::fs::symlink(root, root.join("ada/loop")).unwrap();
        let all = everything(root).unwrap();
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
