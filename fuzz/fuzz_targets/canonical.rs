#![no_main]

use libfuzzer_sys::fuzz_target;
use netkin_fuzz::{check, import, limits};

// Whichever format the bytes have: sniffing, importing, canonicalising, digesting.
fuzz_target!(|bytes: &[u8]| {
    if let Ok((_, raw)) = import::read(bytes, &limits()) {
        check(&raw);
    }
});
