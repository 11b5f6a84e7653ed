use std::sync::{Arc, Mutex};

use super::*;

/// A writer that remembers each write.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<Vec<u8>>>>);

impl Heard {
    pub(crate) fn writes(&self) -> Vec<String> {
        self.0.lock().unwrap().iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    pub(crate) fn text(&self) -> String {
        self.writes().concat()
    }

    pub(crate) fn output(&self, json: bool, terminal: bool) -> Output {
        Output::into(Box::new(self.clone()), json, terminal)
    }
}

impl Write for Heard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn each_line_is_one_write() {
    let heard = Heard::default();
    let mut output = heard.output(true, false);
    output.object(&[1, 2]).unwrap();
    output.object(&"two").unwrap();
    output.line("not with --json").unwrap();
    assert_eq!(heard.writes(), ["[1,2]\n", "\"two\"\n"]);
}

#[test]
fn a_payload_goes_into_a_pipe_as_it_is() {
    let heard = Heard::default();
    let mut output = heard.output(false, false);
    output.payload("phone", b"buy \x1b[31mmilk").unwrap();
    output.payload("phone", b"line\n").unwrap();
    assert_eq!(heard.writes(), ["buy \x1b[31mmilk\n", "line\n"]);
}

#[test]
fn a_payload_cannot_steer_a_terminal() {
    let heard = Heard::default();
    let mut output = heard.output(false, true);
    output.payload("ph\x07one", b"buy \x1b[31mmilk\n").unwrap();
    output.payload("phone", b"\xff\xfe").unwrap();
    assert_eq!(heard.writes(), ["ph\u{fffd}one: buy \u{fffd}[31mmilk\n", "phone: (2 bytes)\n"]);
}

#[test]
fn a_failure_is_an_object_too_when_objects_are_wanted() {
    let heard = Heard::default();
    heard.output(true, false).fail(&Code::Offline.into());
    assert!(heard.text().starts_with(r#"{"error":{"code":"offline","#), "{}", heard.text());
    let heard = Heard::default();
    heard.output(false, false).fail(&Code::Offline.into());
    assert_eq!(heard.text(), "");
}
