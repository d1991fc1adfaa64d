//! A site's way to the fleet's servers, which a test cuts: what is sent meanwhile waits, as on a line that is down.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{sleep, spawn};
use std::time::Duration;

/// How often a line looks whether it is cut.
const LOOKS_EVERY: Duration = Duration::from_millis(20);

/// Lines to some ports of this machine. Their threads end with the test program.
#[derive(Clone, Default)]
pub struct Cut {
    is_cut: Arc<AtomicBool>,
}

impl Cut {
    /// A port that leads to another one.
    pub fn line_to(&self, target: u16) -> u16 {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = self.clone();
        spawn(move || {
            for here in listener.incoming() {
                let Ok(here) = here else { continue };
                let cut = cut.clone();
                spawn(move || {
                    cut.wait();
                    let Ok(there) = TcpStream::connect(("127.0.0.1", target)) else { return };
                    let (back, forth) = (cut.clone(), (here.try_clone().unwrap(), there.try_clone().unwrap()));
                    spawn(move || back.carry(there, here));
                    cut.carry(forth.0, forth.1);
                });
            }
        });
        port
    }

    /// Cuts all lines.
    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
    }

    /// Mends them.
    pub fn mend(&self) {
        self.is_cut.store(false, Ordering::SeqCst);
    }

    fn wait(&self) {
        while self.is_cut.load(Ordering::SeqCst) {
            sleep(LOOKS_EVERY);
        }
    }

    fn carry(&self, mut from: TcpStream, mut to: TcpStream) {
        from.set_read_timeout(Some(LOOKS_EVERY)).unwrap();
        let mut part = [0; 16 * 1024];
        loop {
            self.wait();
            match from.read(&mut part) {
                Ok(0) => break,
                Ok(length) => {
                    self.wait();
                    if to.write_all(&part[..length]).is_err() {
                        break;
                    }
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
        }
        for end in [from, to] {
            end.shutdown(Shutdown::Both).ok();
        }
    }
}
