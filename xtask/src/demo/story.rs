//! What happens in the demo, in order.
//!
//! Two devices write lines, which arrive at the other. Half-way the relay dies without warning and the devices write on; then the
//! phone dies while it sends and receives. Nothing here repairs anything: it only waits, and gives the phone again what had not
//! been stored when it died.
//!
//! How that is known: a device takes its lines in order, and its records arrive in order. After its restart the phone is given its
//! very last line; when the laptop has it, the laptop has everything that the phone had stored before.

use std::{
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    time::{Duration, Instant},
};

use super::{
    Choice, Programs, Teller, Transport,
    device::{self, Device, Heard},
    figures::Figures,
    ledger::{self, Ledger},
    process::Process,
    relay::Relay,
};
use crate::{json, shell::Failure};

const LAPTOP: usize = 0;
const PHONE: usize = 1;

/// How long anything may take before the demo calls it lost. Reconnecting alone may wait some seconds on purpose.
const PATIENCE: Duration = Duration::from_secs(90);

/// Latencies measured per device.
const SAMPLES: usize = 20;

/// Tells the story.
pub(super) fn tell(choice: &Choice, programs: &Programs, folder: &Path, teller: Teller) -> Result<Figures, Failure> {
    let begun = Instant::now();
    let mut relay = Relay::new(&programs.relay, folder, choice.transport)?;
    let address = relay.start()?;
    teller.say(format_args!("A relay is up: {address}"));

    let devices = [Device::new("laptop", &programs.device, folder), Device::new("phone", &programs.device, folder)];
    let pairing = pair(&devices, &address, teller)?;
    let mut play = Play::new(devices, choice.blobs)?;
    let (half, three_quarters, most) = (choice.blobs / 2, choice.blobs * 3 / 4, choice.blobs - SAMPLES);

    teller.say(format_args!("Both write {half} lines at once."));
    let start = Instant::now();
    play.write_until(half)?;
    play.wait("the first lines to arrive", |ledgers| ledgers.iter().all(|ledger| ledger.count() >= half / 2))?;
    let (rate_time, rate_blobs) = (start.elapsed(), play.ledgers.iter().map(Ledger::count).sum());

    relay.kill()?;
    teller.say(format_args!(
        "The relay is killed (-9) after {rate_blobs} deliveries; both write on, up to {three_quarters}."
    ));
    play.write_until(three_quarters)?;
    let restart = Instant::now();
    let again = relay.start()?;
    if again != address {
        return Err(Failure::new(format!("the restarted relay has another address: {again}, before: {address}")));
    }
    play.wait("everything after the relay's restart", |ledgers| ledgers.iter().all(|l| l.count() >= three_quarters))?;
    let relay_recovery = restart.elapsed();
    teller.say(format_args!("The relay is back; both caught up in {relay_recovery:.1?}."));

    let given = most - 1;
    play.write_until(given)?;
    play.wait("the phone to be in the middle of it", |ledgers| ledgers[PHONE].count() > three_quarters)?;
    let confirmed = play.kill_phone()?;
    teller.say("The phone is killed (-9) while it sends and receives.");
    let restart = Instant::now();
    play.start_phone()?;
    let kept = play.survived(given, confirmed)?;
    let device_recovery = restart.elapsed();
    teller.say(format_args!("The phone is back; it had kept {kept} of the {given} lines it was given."));
    play.write_again(kept, given)?;
    play.write_until(most)?;
    play.wait("all but the last lines", |ledgers| {
        // The phone's last line, which served as a mark, is here already.
        ledgers[LAPTOP].count() > most && ledgers[PHONE].count() >= most
    })?;

    teller.say("Now one line at a time, for the latency.");
    let latencies = play.latencies(choice.blobs)?;
    let (devices, written, again) = play.close()?;
    teller.say("Both stop. What do they hold?");
    let records = compare(&devices, written)?;
    Ok(Figures {
        transport: match choice.transport {
            Transport::Tcp => "tcp",
            Transport::Iroh => "iroh",
        },
        optimised: choice.release,
        records,
        pairing,
        rate_blobs,
        rate_time,
        relay_recovery,
        device_recovery,
        kept,
        given,
        again,
        latencies,
        total: begun.elapsed(),
    })
}

/// Makes a group of two by a typed code.
fn pair(devices: &[Device; 2], address: &str, teller: Teller) -> Result<Duration, Failure> {
    devices[LAPTOP].init(address)?;
    let start = Instant::now();
    let (inviting, code) = devices[LAPTOP].invite()?;
    teller.say(format_args!("The laptop invites; its code is {code}"));
    devices[PHONE].join(&code, address)?;
    let name = inviting.joined()?;
    teller.say(format_args!("The {name} has joined."));
    Ok(start.elapsed())
}

/// The complete lists, as each device gives them when nothing else runs.
fn compare(devices: &[Device; 2], mut written: Vec<String>) -> Result<usize, Failure> {
    written.sort();
    let lists = [devices[LAPTOP].everything()?, devices[PHONE].everything()?];
    for (device, list) in devices.iter().zip(&lists) {
        if let Some(how) = ledger::difference(&written, list) {
            return Err(Failure::new(format!("the {} does not hold what was written: {how}", device.name)));
        }
    }
    Ok(written.len())
}

/// The running devices and what was seen of them.
struct Play {
    devices: [Device; 2],
    watches: [Option<Process>; 2],
    lives: [usize; 2],
    /// Every line of each device, written or to be written.
    lines: [Vec<String>; 2],
    next: [usize; 2],
    ledgers: [Ledger; 2],
    told: Sender<Heard>,
    heard: Receiver<Heard>,
}

impl Play {
    fn new(devices: [Device; 2], blobs: usize) -> Result<Self, Failure> {
        let (told, heard) = channel();
        let lines = [lines(devices[LAPTOP].name, blobs), lines(devices[PHONE].name, blobs)];
        let watches = [
            Some(devices[LAPTOP].watch(LAPTOP, 0, told.clone())?),
            Some(devices[PHONE].watch(PHONE, 0, told.clone())?),
        ];
        let ledgers = [Ledger::default(), Ledger::default()];
        Ok(Self { devices, watches, lives: [0, 0], lines, next: [0, 0], ledgers, told, heard })
    }

    /// Both devices get their lines up to the given one, a few at a time in turn. A pipe holds more than that, so neither waits.
    fn write_until(&mut self, end: usize) -> Result<(), Failure> {
        while self.next.iter().any(|next| *next < end) {
            for device in [LAPTOP, PHONE] {
                let (from, to) = (self.next[device], (self.next[device] + 10).min(end));
                if from < to {
                    self.write(device, from, to)?;
                    self.next[device] = to;
                }
            }
        }
        Ok(())
    }

    /// Gives the phone once more what it had not stored.
    fn write_again(&mut self, from: usize, to: usize) -> Result<(), Failure> {
        if from < to { self.write(PHONE, from, to) } else { Ok(()) }
    }

    fn write(&mut self, device: usize, from: usize, to: usize) -> Result<(), Failure> {
        let text = self.lines[device][from..to].join("\n") + "\n";
        match &mut self.watches[device] {
            Some(process) => process.write(&text),
            None => Err(Failure::new(format!("the {} does not run", self.devices[device].name))),
        }
    }

    /// Listens until `enough`.
    fn wait(&mut self, what: &str, enough: impl Fn(&[Ledger; 2]) -> bool) -> Result<(), Failure> {
        let limit = Instant::now() + PATIENCE;
        while !enough(&self.ledgers) {
            let left = limit.saturating_duration_since(Instant::now());
            match self.heard.recv_timeout(left) {
                Ok(heard) => self.note(heard)?,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Err(self.lost(what)),
            }
        }
        match self.ledgers.iter().find_map(|ledger| ledger.repeated.first()) {
            Some(line) => Err(Failure::new(format!("`{line}` was delivered twice to one process"))),
            None => Ok(()),
        }
    }

    fn note(&mut self, heard: Heard) -> Result<(), Failure> {
        let Heard { device, life, line } = heard;
        let Some(line) = line else {
            if life == self.lives[device] {
                let words = self.watches[device].as_ref().map(Process::last_words).unwrap_or_default();
                return Err(Failure::new(format!("the {} ended by itself{words}", self.devices[device].name)));
            }
            return Ok(());
        };
        // A line cut off by the kill is no message.
        let Ok(line) = json::parse(&line) else {
            let killed = life < self.lives[device];
            return if killed { Ok(()) } else { Err(Failure::new(format!("not JSON: {line}"))) };
        };
        if let Some(payload) = device::payload(&line) {
            self.ledgers[device].receive(payload, life);
        } else if device::confirms(&line) && life == self.lives[device] {
            self.ledgers[device].confirmed += 1;
        }
        Ok(())
    }

    fn lost(&self, what: &str) -> Failure {
        let counts = [self.ledgers[LAPTOP].count(), self.ledgers[PHONE].count()];
        let words: String = self.watches.iter().flatten().map(Process::last_words).collect();
        Failure::new(format!("waited in vain for {what}; laptop and phone received {counts:?}{words}"))
    }

    /// Kills the phone; how many of its lines it had said to be stored.
    fn kill_phone(&mut self) -> Result<usize, Failure> {
        if let Some(process) = self.watches[PHONE].take() {
            process.kill()?;
        }
        // What it said before it died is still on its way here: count it under its old life, up to its end.
        let limit = Instant::now() + PATIENCE;
        loop {
            match self.heard.recv_timeout(limit.saturating_duration_since(Instant::now())) {
                Ok(Heard { device: PHONE, line: None, .. }) => break,
                Ok(heard) => self.note_of_the_dying(heard)?,
                Err(_) => return Err(self.lost("the end of the phone")),
            }
        }
        self.lives[PHONE] += 1;
        Ok(self.ledgers[PHONE].confirmed)
    }

    /// As [`Self::note`], but a torn last line is forgiven.
    fn note_of_the_dying(&mut self, heard: Heard) -> Result<(), Failure> {
        let torn = heard.device == PHONE && heard.line.as_deref().is_some_and(|line| json::parse(line).is_err());
        if torn { Ok(()) } else { self.note(heard) }
    }

    fn start_phone(&mut self) -> Result<(), Failure> {
        let process = self.devices[PHONE].watch(PHONE, self.lives[PHONE], self.told.clone())?;
        self.watches[PHONE] = Some(process);
        Ok(())
    }

    /// How many of the phone's `given` lines outlived it. See the module's header.
    fn survived(&mut self, given: usize, confirmed: usize) -> Result<usize, Failure> {
        let last = self.lines[PHONE].len() - 1;
        self.write(PHONE, last, last + 1)?;
        let mark = self.lines[PHONE][last].clone();
        self.wait("the restarted phone", |ledgers| ledgers[LAPTOP].has(&mark))?;
        let kept = ledger::unbroken(&self.lines[PHONE][..given], &self.ledgers[LAPTOP])
            .map_err(|stray| Failure::new(format!("`{stray}` arrived, but a line before it did not")))?;
        if kept < confirmed {
            let sentence = format!("the phone had stored {confirmed} lines, but only {kept} outlived the kill");
            return Err(Failure::new(sentence));
        }
        Ok(kept)
    }

    /// Writes what is left, each line once the one before has arrived.
    fn latencies(&mut self, blobs: usize) -> Result<Vec<Duration>, Failure> {
        let mut latencies = Vec::new();
        for index in blobs - SAMPLES..blobs {
            for (from, to) in [(LAPTOP, PHONE), (PHONE, LAPTOP)] {
                // The phone's last line is long there: it was the mark.
                if self.ledgers[to].has(&self.lines[from][index]) {
                    continue;
                }
                self.write(from, index, index + 1)?;
                let (start, line) = (Instant::now(), self.lines[from][index].clone());
                self.wait("a single line", |ledgers| ledgers[to].has(&line))?;
                latencies.push(start.elapsed());
            }
        }
        Ok(latencies)
    }

    /// Stops both; what was written, and how many deliveries were repeated across the kill.
    fn close(mut self) -> Result<([Device; 2], Vec<String>, usize), Failure> {
        for watch in &mut self.watches {
            if let Some(process) = watch.take() {
                process.stop(Duration::from_secs(10));
            }
        }
        let again = self.ledgers.iter().map(|ledger| ledger.again).sum();
        Ok((self.devices, self.lines.concat(), again))
    }
}

/// What a device has to say: every line another.
fn lines(name: &str, count: usize) -> Vec<String> {
    const THINGS: [&str; 8] = ["milk", "bread", "apples", "a stamp", "two candles", "soap", "a map", "rice for Sunday"];
    (1..=count).map(|number| format!("{name} {number:05}: {}", THINGS[number % THINGS.len()])).collect()
}
