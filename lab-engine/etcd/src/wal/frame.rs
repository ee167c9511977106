//! Records as bytes: a length field of eight bytes, the record, and zeros up to a multiple of eight, so that no length field lies across
//! two sectors.
//!
//! The length field is little-endian. Its lower 56 bits are the record's length; when zeros follow, its highest bit is set and the three
//! bits above the length say how many.

use crate::pb;
use crc::{CRC_32_ISCSI, Crc};
use prost::Message;

/// The length field's length.
pub(super) const FRAME_SIZE_BYTES: u64 = 8;

/// The member's id and the group's; the first record after the checksum of each segment.
pub(super) const METADATA: i64 = 1;
/// An entry.
pub(super) const ENTRY: i64 = 2;
/// A hard state.
pub(super) const STATE: i64 = 3;
/// The checksum up to here, with which the next segment begins.
pub(super) const CRC: i64 = 4;
/// A snapshot was written.
pub(super) const SNAPSHOT: i64 = 5;

static CASTAGNOLI: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// The checksum (CRC-32C) of `data` behind data of the checksum `before`; 0 is that of nothing.
pub(crate) fn checksum(before: u32, data: &[u8]) -> u32 {
    let mut digest = CASTAGNOLI.digest_with_initial((!before).reverse_bits());
    digest.update(data);
    digest.finalize()
}

/// The length field of a record, and how many zeros follow the record.
pub(super) fn encode_frame_size(record_bytes: usize) -> (u64, usize) {
    let pad = (8 - record_bytes % 8) % 8;
    let flag = if pad == 0 { 0 } else { (0x80 | pad as u64) << 56 };
    (record_bytes as u64 | flag, pad)
}

/// What a length field says: the record's length and the number of zeros behind it.
pub(super) fn decode_frame_size(field: u64) -> (u64, u64) {
    let record_bytes = field & (u64::MAX >> 8);
    let pad = if field >> 63 == 1 { field >> 56 & 7 } else { 0 };
    (record_bytes, pad)
}

/// A record as it stands in a segment.
pub(super) fn encode(kind: i64, crc: u32, data: Option<Vec<u8>>, out: &mut Vec<u8>) {
    let record = pb::Record { kind, crc, data };
    let (field, pad) = encode_frame_size(record.encoded_len());
    out.extend_from_slice(&field.to_le_bytes());
    record.encode_raw(out);
    out.resize(out.len() + pad, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_castagnoli_and_chain() {
        // The check value of CRC-32C (RFC 3720, appendix B.4 has more).
        assert_eq!(checksum(0, b"123456789"), 0xe306_9283);
        assert_eq!(checksum(0, &[0; 32]), 0x8a91_36aa);
        assert_eq!(checksum(checksum(0, b"12345"), b"6789"), 0xe306_9283);
        assert_eq!(checksum(0, b""), 0);
    }

    #[test]
    fn records_are_padded_to_eight_bytes() {
        for (bytes, field) in [(8, 8), (9, 0x8700_0000_0000_0009), (15, 0x8100_0000_0000_000f), (0, 0)] {
            let (encoded, pad) = encode_frame_size(bytes);
            assert_eq!(encoded, field);
            assert_eq!(decode_frame_size(encoded), (bytes as u64, pad as u64));
        }
    }

    #[test]
    fn a_record_has_the_bytes_of_etcd() {
        let mut bytes = Vec::new();
        encode(ENTRY, 0x0102_0304, Some(b"ab".to_vec()), &mut bytes);
        // By hand, from the protobuf encoding: field 1 varint, field 2 varint, field 3 of two bytes; eleven bytes and five zeros.
        let record = [0x08, 2, 0x10, 0x84, 0x86, 0x88, 0x08, 0x1a, 2, b'a', b'b'];
        assert_eq!(bytes[..8], [11, 0, 0, 0, 0, 0, 0, 0x85]);
        assert_eq!(bytes[8..19], record);
        assert_eq!(bytes[19..], [0; 5]);
    }
}
