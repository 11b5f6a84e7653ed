//! What every driver and every store promises, as tests that any of them can run.
//!
//! ```ignore
//! zerok_testkit::driver_suite!(MyDriver);             // D1 to D9 of docs/writing-a-driver.md
//! zerok_testkit::client_store_suite!(MyClientStore);  // the store of a device
//! zerok_testkit::relay_store_suite!(MyRelayStore);    // the store of a relay
//! ```
//!
//! Each macro writes one test per demand. What is put on trial implements a small trait: [`driver::Driver`], [`client_store::ClientTrial`]
//! or [`relay_store::RelayTrial`]. The suites are blocking and know no runtime; they panic at what they find.

#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a suite says what it found by panicking"
)]

pub mod client_store;
pub mod driver;
pub mod relay_store;

/// Writes the tests of a suite. Not called by hand.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($suite:ident, $subject:ty: $($name:ident)*) => {$(
        #[test]
        fn $name() {
            $crate::conformance::$suite::$name::<$subject>();
        }
    )*};
}
