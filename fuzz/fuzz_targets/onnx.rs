#![no_main]

use libfuzzer_sys::fuzz_target;
use netkin_fuzz::{check, import::onnx, limits};

// The reader of whole files and the one that streams accept the same files.
fuzz_target!(|bytes: &[u8]| {
    let streamed = onnx::read_from(bytes, &limits());
    match onnx::read(bytes, &limits()) {
        Ok(raw) => {
            check(&raw);
            // The copy that the stream keeps counts against the limit as well.
            if !matches!(streamed, Err(onnx::Error::TooLarge { .. })) {
                let streamed = streamed.expect("the whole file was accepted");
                assert_eq!(format!("{raw:?}"), format!("{streamed:?}"));
            }
        }
        Err(_) => assert!(streamed.is_err(), "the whole file was refused"),
    }
});
