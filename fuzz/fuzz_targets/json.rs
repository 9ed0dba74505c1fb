#![no_main]

use libfuzzer_sys::fuzz_target;
use netkin_fuzz::{check, import::json, limits};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(raw) = json::read(bytes, &limits()) {
        check(&raw);
    }
});
