//! Messages that come packed: unpacked within their bound, whatever they say of themselves.

use std::io::{self, Read, Write};

use tonic::codegen::http::HeaderMap;

/// Header of a call whose messages may be packed.
const ENCODING: &str = "grpc-encoding";
/// Bytes that an unpacker of zstd may look back, as a power of two: what the usual levels use.
const LOOK_BACK: u32 = 23;

/// How messages are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packed {
    Gzip,
    Zstd,
}

/// Why a message is not unpacked.
#[derive(Debug)]
pub(super) enum UnpackError {
    /// It would be too long.
    TooLong,
    /// It is not packed so.
    Broken,
}

impl From<io::Error> for UnpackError {
    fn from(_: io::Error) -> Self {
        Self::Broken
    }
}

impl Packed {
    /// Takes it out of the headers of a call. What is packed otherwise stays for whoever refuses it.
    pub(super) fn take(headers: &mut HeaderMap) -> Option<Self> {
        let packed = match headers.get(ENCODING)?.as_bytes() {
            b"gzip" => Self::Gzip,
            b"zstd" => Self::Zstd,
            _ => return None,
        };
        headers.remove(ENCODING);
        Some(packed)
    }

    /// Bytes of the message, at most so many; it is given no memory.
    pub(super) fn length(self, message: &[u8], most: usize) -> Result<usize, UnpackError> {
        let mut counted = Counted(0);
        match self {
            Self::Gzip => copy(flate2::bufread::GzDecoder::new(message), most, &mut counted)?,
            Self::Zstd => copy(unpacker(message)?, most, &mut counted)?,
        }
        Ok(counted.0)
    }

    /// The message behind what stands in `into` already; at most so many bytes.
    pub(super) fn unpack(self, message: &[u8], most: usize, into: &mut Vec<u8>) -> Result<(), UnpackError> {
        match self {
            Self::Gzip => copy(flate2::bufread::GzDecoder::new(message), most, into),
            Self::Zstd => copy(unpacker(message)?, most, into),
        }
    }
}

fn unpacker(message: &[u8]) -> io::Result<zstd::stream::read::Decoder<'_, &[u8]>> {
    let mut unpacker = zstd::stream::read::Decoder::with_buffer(message)?;
    unpacker.window_log_max(LOOK_BACK)?;
    Ok(unpacker)
}

fn copy(unpacker: impl Read, most: usize, into: &mut impl Write) -> Result<(), UnpackError> {
    // A bound is far below 2^64; one more says that there are more.
    let most = most as u64;
    if io::copy(&mut unpacker.take(most + 1), into)? > most {
        return Err(UnpackError::TooLong);
    }
    Ok(())
}

/// Bytes that were written and forgotten.
struct Counted(usize);

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(bytes).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn what_is_packed_is_unpacked_within_its_bound() {
        let zeros = vec![0; 1_000_000];
        for (packed, message) in [
            (Packed::Gzip, gzip(&zeros)),
            (Packed::Zstd, zstd::encode_all(&zeros[..], 3).unwrap()),
        ] {
            let mut unpacked = vec![7];
            packed.unpack(&message, zeros.len(), &mut unpacked).unwrap();
            assert!(unpacked.len() == 1 + zeros.len() && unpacked[0] == 7);
            assert_eq!(packed.length(&message, zeros.len()).unwrap(), zeros.len());
            let refused = packed.unpack(&message, zeros.len() - 1, &mut Vec::new());
            assert!(matches!(refused, Err(UnpackError::TooLong)));
            let broken = packed.unpack(&message[..message.len() / 2], zeros.len(), &mut Vec::new());
            assert!(matches!(broken, Err(UnpackError::Broken)));
        }
    }

    #[test]
    fn a_window_of_a_gigabyte_is_not_given() {
        // A frame that asks for a window of 2^30 bytes.
        let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 20 << 3, 0x01, 0x00, 0x00];
        let refused = Packed::Zstd.unpack(&frame, 1_000, &mut Vec::new());
        assert!(matches!(refused, Err(UnpackError::Broken)));
    }
}
