//! Where a training runs.

use candle_core::Device;
use std::str::FromStr;

/// The device that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A GPU where there is one that this program can use, else the processor.
    Auto,
    /// The processor.
    Cpu,
    /// The GPU of this number.
    Cuda(usize),
}

/// Why there is no such device.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// Not a device.
    #[error("`{0}` is no device: `auto`, `cpu`, `cuda` or `cuda:NUMBER`")]
    Unknown(String),
    /// Built without it.
    #[error("this program was built without CUDA; build it with `--features cuda`, or use `cpu`")]
    WithoutCuda,
    /// No driver, or no GPU of this number.
    #[error("the GPU {number} cannot be used: {reason}")]
    Unusable {
        /// Its number.
        number: usize,
        /// What the driver says.
        reason: String,
    },
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let unknown = || DeviceError::Unknown(text.to_owned());
        match text.split_once(':') {
            None if text == "auto" => Ok(Self::Auto),
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "cuda" => Ok(Self::Cuda(0)),
            Some(("cuda", number)) => number.parse().map(Self::Cuda).map_err(|_| unknown()),
            _ => Err(unknown()),
        }
    }
}

impl DeviceChoice {
    /// The device itself.
    ///
    /// # Errors
    /// When a GPU was asked for and there is none that this program can use.
    pub fn open(self) -> Result<Device, DeviceError> {
        match self {
            Self::Cpu => Ok(Device::Cpu),
            Self::Auto => Ok(cuda(0).unwrap_or(Device::Cpu)),
            Self::Cuda(number) => cuda(number),
        }
    }
}

fn cuda(number: usize) -> Result<Device, DeviceError> {
    if !candle_core::utils::cuda_is_available() {
        return Err(DeviceError::WithoutCuda);
    }
    Device::new_cuda(number).map_err(|error| DeviceError::Unusable {
        number,
        reason: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_by_name_and_others_refused() {
        let read = |text: &str| {
            text.parse::<DeviceChoice>()
                .map_err(|error| error.to_string())
        };
        assert_eq!(read("auto"), Ok(DeviceChoice::Auto));
        assert_eq!(read("cpu"), Ok(DeviceChoice::Cpu));
        assert_eq!(read("cuda"), Ok(DeviceChoice::Cuda(0)));
        assert_eq!(read("cuda:3"), Ok(DeviceChoice::Cuda(3)));
        for bad in ["", "gpu", "cuda:", "cuda:x", "cpu:0"] {
            assert!(read(bad).unwrap_err().contains("is no device"), "{bad}");
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn without_cuda_auto_falls_back_and_an_explicit_gpu_is_refused() {
        assert!(DeviceChoice::Auto.open().unwrap().is_cpu());
        let error = DeviceChoice::Cuda(0).open().unwrap_err().to_string();
        assert!(error.contains("built without CUDA"), "{error}");
    }
}
