//! What identifies a point: SHA-256 over canonical JSON (docs/protocol.md, Identity).

use sha2::{Digest as _, Sha256};

use crate::canonical::{write_text, write_value};
use crate::value::ValueRef;

/// A SHA-256 in 64 lower-case hexadecimal digits.
pub type Hex = [u8; 64];

/// Computes the fingerprints of one model's points with one seed.
#[derive(Clone, Debug)]
pub struct Fingerprinter {
    parameter_head: Sha256,
    point_head: Sha256,
    point_tail: Vec<u8>,
}

/// The point fingerprints of one cell. Its replicates differ only in what follows the parameters.
#[derive(Clone, Debug)]
pub struct CellFingerprint(Sha256);

impl Fingerprinter {
    /// For points of `model` at `version`, run with `seed`.
    pub fn new(model: &str, version: &str, seed: i64) -> Self {
        let mut parameter_head = br#"{"model":"#.to_vec();
        write_text(&mut parameter_head, model);
        let mut point_head = parameter_head.clone();
        parameter_head.extend_from_slice(br#","parameters":"#);
        point_head.extend_from_slice(br#","model_version":"#);
        write_text(&mut point_head, version);
        point_head.extend_from_slice(br#","parameters":"#);
        let mut point_tail = br#","seed":"#.to_vec();
        write_value(&mut point_tail, ValueRef::Int(seed));
        point_tail.push(b'}');
        Self {
            parameter_head: Sha256::new_with_prefix(parameter_head),
            point_head: Sha256::new_with_prefix(point_head),
            point_tail,
        }
    }

    /// The parameter fingerprint, given the canonical JSON object of all parameters.
    pub fn parameters(&self, canonical: &[u8]) -> Hex {
        hex(self.parameter_head.clone().chain_update(canonical).chain_update(b"}").finalize())
    }

    /// The common start of the point fingerprints of these parameters.
    pub fn cell(&self, canonical: &[u8]) -> CellFingerprint {
        CellFingerprint(self.point_head.clone().chain_update(canonical).chain_update(br#","replicate":"#))
    }

    /// The point fingerprint of one replicate of a cell.
    pub fn point(&self, cell: &CellFingerprint, replicate: u32) -> Hex {
        let mut tail = Vec::with_capacity(64);
        write_value(&mut tail, ValueRef::Int(replicate.into()));
        tail.extend_from_slice(&self.point_tail);
        hex(cell.0.clone().chain_update(tail).finalize())
    }
}

/// A digest in lower-case hexadecimal digits.
pub fn hex(digest: impl Into<[u8; 32]>) -> Hex {
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(digest.into()) {
        pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
        pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
    }
    text
}
