//! Ctrl-C and SIGTERM, which end a run after its step.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;

/// Set once Ctrl-C or SIGTERM comes; a second one ends the process as usual.
pub fn stop_on_signal() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut interrupt), Ok(mut terminate)) =
                (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
            else {
                return;
            };
            for times in 0.. {
                tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
                told.store(true, Ordering::Relaxed);
                match times {
                    0 => eprintln!("\nstopping after this step; again to end at once"),
                    _ => std::process::exit(130),
                }
            }
        });
    });
    Ok(stop)
}
