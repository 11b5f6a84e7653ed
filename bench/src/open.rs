//! What opening and verifying a record costs beyond decrypting it.

use std::{hint::black_box, time::Instant};

use bytes::Bytes;
use chacha20poly1305::{AeadInPlace as _, KeyInit as _, XChaCha20Poly1305, XNonce};
use zerok_core::{
    ids::{GroupId, Incarnation, RecordHash},
    rng::{Draw, Seed},
    seal::{
        chain::verify_run,
        keys::{DeviceKeys, Epoch, EpochSecret, Genesis},
        padding::Padding,
        record::{self, Kind, Record},
    },
    time::UnixMillis,
};

use crate::{
    figure::{Figure, Goal, Outcome, Row},
    run::Run,
    spread::Duel,
    trouble::Trouble,
};

/// The figures of this module.
pub const FIGURES: &[Figure] = &[Figure {
    name: "open",
    title: "opening and verifying a record of 1 KiB in a run, against XChaCha20-Poly1305 of it",
    measure: open,
}];

/// Records of a run: one writer's part of a page.
const RECORDS: usize = 400;
/// Runs of one round.
const RUNS: usize = 50;
/// Runs that are sealed.
const SEALS: usize = 5;
const PAYLOAD: usize = 1024;

/// A run of 400 records of one device, as a page brings them: each decrypted, parsed and hashed, the chain followed, one signature
/// checked for all. The floor decrypts as many bytes as the payload has, with the same cipher, keyed once, in a buffer that is there.
fn open(run: &Run) -> Result<Outcome, Trouble> {
    let mut draw = Seed::new([7; 32]).draw("bench");
    let (keys, group, epoch) = identity(&mut draw);
    let blobs = chain(&keys, &group, &epoch, &mut draw);
    let public = keys.public().sign;
    let cipher = XChaCha20Poly1305::new((&draw.bytes::<32>()).into());
    let nonce = XNonce::from(draw.bytes::<24>());
    let mut sealed = vec![0x5a; PAYLOAD];
    let tag = cipher
        .encrypt_in_place_detached(&nonce, b"", &mut sealed)
        .map_err(|_| Trouble::Absurd("the cipher refuses a kibibyte".to_owned()))?;

    let per_record = |began: Instant| began.elapsed().as_secs_f64() * 1e6 / (RUNS * RECORDS) as f64;
    let duel = Duel::fight(
        run.rounds,
        |_| {
            let began = Instant::now();
            for _ in 0..RUNS {
                let opened: Result<Vec<_>, _> =
                    blobs.iter().map(|blob| record::open(black_box(blob), &group, &epoch)).collect();
                let opened =
                    opened.map_err(|fault| Trouble::Absurd(format!("an own record does not open: {fault}")))?;
                if !verify_run(&opened, &public, &group).iter().all(|verified| *verified) {
                    return Err(Trouble::Absurd("an own run does not verify".to_owned()));
                }
            }
            Ok(per_record(began))
        },
        |_| {
            let mut buffer = vec![0; PAYLOAD];
            let began = Instant::now();
            for _ in 0..RUNS * RECORDS {
                buffer.copy_from_slice(black_box(&sealed));
                cipher
                    .decrypt_in_place_detached(&nonce, b"", &mut buffer, &tag)
                    .map_err(|_| Trouble::Absurd("the floor does not decrypt".to_owned()))?;
                black_box(&buffer);
            }
            Ok(per_record(began))
        },
    )?;
    let title = "open + verify 1 KiB in a run";
    Ok(Row::duel(title, "µs", "XChaCha20-Poly1305", duel, Goal::AtMost(2.5)).into())
}

/// Records a second that one thread numbers, chains, signs and seals, and nothing else: a device cannot push more, whatever the relay does.
pub fn seal_rate() -> f64 {
    let mut draw = Seed::new([8; 32]).draw("bench");
    let (keys, group, epoch) = identity(&mut draw);
    let began = Instant::now();
    for _ in 0..SEALS {
        black_box(chain(&keys, &group, &epoch, &mut draw));
    }
    (SEALS * RECORDS) as f64 / began.elapsed().as_secs_f64()
}

fn identity(draw: &mut Draw) -> (DeviceKeys, GroupId, Epoch) {
    let (keys, secret) = (DeviceKeys::generate(draw), EpochSecret::generate(draw));
    let group = Genesis::create(&keys, "bench", &secret, draw).group(&secret.access());
    let epoch = Epoch::derive(&secret, &group);
    (keys, group, epoch)
}

fn chain(keys: &DeviceKeys, group: &GroupId, epoch: &Epoch, draw: &mut Draw) -> Vec<Bytes> {
    let mut prev = RecordHash([0; 16]);
    let mut seal = |seq: u64| {
        let record = Record {
            sender: keys.id(),
            inc: Incarnation([1; 8]),
            seq,
            prev,
            kind: Kind::Data as u8,
            ms: UnixMillis(seq),
            seen: Vec::new(),
            payload: vec![0x5a; PAYLOAD].into(),
        };
        let sealed = record::seal(&record, keys, group, epoch, Padding::default(), draw);
        prev = sealed.hash;
        sealed.blob
    };
    (1..=RECORDS as u64).map(&mut seal).collect()
}
