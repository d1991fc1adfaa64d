//! The time to open a gallery, plain and sealed; and the time of a search: the index with one and two threads, and for comparison a plain `f32`
//! comparison with every template.
//!
//! The vectors resemble faces: five templates per person around a centre, a cosine of about 0.6 between pictures of one person, and a common
//! direction that makes strangers slightly similar. Half of the probes are strangers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark fails loudly"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use usher::domain::{Embedding, ModelId, PersonId, Quality};
use usher::gallery::{Gallery, Index, NewPerson, Template};
use usher::seal::{Ring, StoreKey};
use usher::store::Store;

const DIMENSION: usize = 192;
const TEMPLATES: usize = 5;
const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// Approximately normally distributed numbers: sums of four uniform ones.
struct Noise(fastrand::Rng);

impl Noise {
    fn next(&mut self) -> f32 {
        (0..4).map(|_| self.0.f32() - 0.5).sum::<f32>() * 3.0f32.sqrt()
    }

    fn vector(&mut self) -> Vec<f32> {
        (0..DIMENSION).map(|_| self.next()).collect()
    }
}

fn near(noise: &mut Noise, centre: &[f32]) -> Vec<f32> {
    let values = centre.iter().map(|c| c + 0.85 * noise.next()).collect();
    Embedding::normalised(ModelId::new("bench"), values).map_or_else(Vec::new, |e| e.values().to_vec())
}

fn centre(noise: &mut Noise) -> Vec<f32> {
    noise.vector().iter().enumerate().map(|(i, v)| v + if i % 2 == 0 { 0.25 } else { -0.25 }).collect()
}

/// Nearest and runner-up by the dot product, row by row, in eight lanes that the compiler vectorises.
fn brute(rows: &[f32], owners: &[PersonId], probe: &[f32]) -> [(f32, PersonId); 2] {
    let mut best = [(f32::MIN, PersonId(0)); 2];
    for (row, &owner) in rows.chunks_exact(DIMENSION).zip(owners) {
        let mut lanes = [0.0f32; 8];
        for (a, b) in row.as_chunks::<8>().0.iter().zip(probe.as_chunks::<8>().0) {
            for lane in 0..8 {
                lanes[lane] += a[lane] * b[lane];
            }
        }
        let dot = lanes.iter().sum::<f32>();
        if dot > best[1].0 {
            if owner == best[0].1 {
                best[0].0 = best[0].0.max(dot);
            } else if dot > best[0].0 {
                best = [(dot, owner), best[0]];
            } else {
                best[1] = (dot, owner);
            }
        }
    }
    best
}

fn nearest(c: &mut Criterion) {
    let mut group = c.benchmark_group("nearest");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3)).sample_size(30);
    for size in SIZES {
        let mut noise = Noise(fastrand::Rng::with_seed(1));
        let (mut index, mut rows, mut owners, mut probes) = (Index::new(DIMENSION), Vec::new(), Vec::new(), Vec::new());
        for person in 0..size / TEMPLATES {
            let centre = centre(&mut noise);
            for _ in 0..TEMPLATES {
                let values = near(&mut noise, &centre);
                let owner = PersonId(person as u32 + 1);
                index.push(owner, &values);
                rows.extend_from_slice(&values);
                owners.push(owner);
            }
            if person % (size / TEMPLATES / 8) == 3 {
                probes.push(near(&mut noise, &centre));
                probes.push(near(&mut noise, &centre_of_a_stranger(person)));
            }
        }
        for probe in &probes {
            let found = index.nearest(probe, 1).map(|m| [Some(m.person), m.runner_up.map(|r| r.0)]);
            assert_eq!(found, Some(brute(&rows, &owners, probe).map(|b| Some(b.1))));
        }
        for threads in [1, 2] {
            let mut turn = probes.iter().cycle();
            group.bench_function(BenchmarkId::new(format!("index, {threads} threads"), size), |b| {
                b.iter(|| turn.next().map(|probe| index.nearest(black_box(probe), threads)));
            });
        }
        let mut turn = probes.iter().cycle();
        group.bench_function(BenchmarkId::new("plain f32", size), |b| {
            b.iter(|| turn.next().map(|probe| brute(&rows, &owners, black_box(probe))));
        });
    }
    group.finish();
}

fn centre_of_a_stranger(seed: usize) -> Vec<f32> {
    centre(&mut Noise(fastrand::Rng::with_seed(1_000_000 + seed as u64)))
}

/// Opening a gallery of 1,000 people with five templates each, plain and sealed, in an open database.
fn open(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let model = || ModelId::new("bench");
    let ring = Arc::new(Ring::plain());
    let gallery = Gallery::open(&store, &ring, model(), DIMENSION).unwrap();
    let mut noise = Noise(fastrand::Rng::with_seed(1));
    for person in 0..1000 {
        let centre = centre(&mut noise);
        let template = |_| {
            let embedding = Embedding::normalised(model(), near(&mut noise, &centre).into()).unwrap();
            Template { embedding, quality: Quality::default(), created: SystemTime::UNIX_EPOCH }
        };
        let templates = (0..TEMPLATES).map(template).collect();
        gallery.enroll(NewPerson { name: format!("person {person}"), ..NewPerson::default() }, templates).unwrap();
    }
    drop(gallery);
    let mut group = c.benchmark_group("open a gallery of 1,000 people");
    group.sample_size(20).measurement_time(Duration::from_secs(5));
    group.bench_function("plain", |b| b.iter(|| Gallery::open(&store, &ring, model(), DIMENSION).unwrap()));
    let ring = Arc::new(Ring::open(dir.path(), StoreKey::generate().map(Some)));
    assert_eq!(Gallery::open(&store, &ring, model(), DIMENSION).unwrap().unreported_sealings(), (1000, 5000));
    group.bench_function("sealed", |b| b.iter(|| Gallery::open(&store, &ring, model(), DIMENSION).unwrap()));
    group.finish();
}

criterion_group!(benches, nearest, open);
criterion_main!(benches);
