//! What this machine allows whoever does the same work: flushes of the disk, and RSA.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Rsa;
use openssl::sign::{Signer, Verifier};

use crate::cost;

const TIME: Duration = Duration::from_secs(2);

/// The floor under every figure.
pub struct Floor {
    /// Flushes of one written page that the disk confirms.
    flushes_per_second: f64,
    /// The CPU time of one RSA-2048 signature and one verification.
    pub rsa_ms: f64,
}

impl Floor {
    /// Measures both, the disk in `directory`.
    pub fn measure(directory: &Path) -> Self {
        Self { flushes_per_second: flushes_per_second(directory), rsa_ms: rsa_ms() }
    }

    pub fn print(&self) {
        println!(
            "bounds: {:.0} fdatasync/s (one logout at a time cannot be faster), RSA-2048 sign and verify {:.3} ms",
            self.flushes_per_second, self.rsa_ms
        );
    }
}

/// Writes and flushes pages of a file that has its full size already, as PostgreSQL's log has.
fn flushes_per_second(directory: &Path) -> f64 {
    const PAGE: usize = 8192;
    const PAGES: u64 = 512;
    let file = File::create(directory.join("flush")).unwrap();
    let page = [0x5a; PAGE];
    (0..PAGES).for_each(|n| file.write_all_at(&page, n * PAGE as u64).unwrap());
    file.sync_all().unwrap();
    let mut next = 0;
    per_second(|| {
        file.write_all_at(&page, next % PAGES * PAGE as u64).unwrap();
        file.sync_data().unwrap();
        next += 1;
    })
}

/// CPU time, not time: others may use this machine.
fn rsa_ms() -> f64 {
    let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
    let (before, mut count) = (cost::process_ms(std::process::id()), 0.0);
    per_second(|| {
        count += 1.0;
        let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
        let signature = signer.sign_oneshot_to_vec(b"bound").unwrap();
        let mut verifier = Verifier::new(MessageDigest::sha256(), &key).unwrap();
        assert!(verifier.verify_oneshot(&signature, b"bound").unwrap());
    });
    (cost::process_ms(std::process::id()) - before) / count
}

fn per_second(mut operation: impl FnMut()) -> f64 {
    let (start, mut count) = (Instant::now(), 0_u32);
    while start.elapsed() < TIME {
        operation();
        count += 1;
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}
