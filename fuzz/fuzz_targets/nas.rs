#![no_main]

use libfuzzer_sys::fuzz_target;
use netkin_fuzz::{check, import::nas, limits};

fuzz_target!(|text: &str| {
    if let Ok(raw) = nas::read(text, &limits()) {
        check(&raw);
    }
});
