//! Real processes, real sockets, real disks: the layer where time passes. Everything else is proved in virtual time.

mod capture;
mod command_line;
mod kills;
mod load;
mod process;
mod round_trip;
