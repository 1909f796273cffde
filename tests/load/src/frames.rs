//! What a server sends on a WebSocket (RFC 6455, 5.2): its frames are whole messages, without masks.

/// A frame that carries text.
pub const TEXT: u8 = 1;
/// The end of the socket.
pub const CLOSE: u8 = 8;

/// The first frame of `bytes`, if it is there in full: its opcode, its payload, and how long it is with its head.
#[must_use]
pub fn first(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let short = usize::from(*bytes.get(1)? & 0x7f);
    let (head, size): (usize, _) = match short {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        size => (2, size),
    };
    let end = head.checked_add(size)?;
    Some((bytes[0] & 0x0f, bytes.get(head..end)?, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(size: usize) -> Vec<u8> {
        let mut bytes = vec![0x81];
        match size {
            0..126 => bytes.push(size as u8),
            126..65_536 => {
                bytes.push(126);
                bytes.extend((size as u16).to_be_bytes());
            }
            _ => {
                bytes.push(127);
                bytes.extend((size as u64).to_be_bytes());
            }
        }
        bytes.resize(bytes.len() + size, b'x');
        bytes
    }

    #[test]
    fn a_frame_is_taken_when_it_is_whole_and_not_before() {
        for size in [0, 1, 125, 126, 65_535, 65_536, 200_000] {
            let whole = frame(size);
            let (opcode, text, length) = first(&whole).expect("whole");
            assert_eq!((opcode, text.len(), length), (TEXT, size, whole.len()));
            for less in [0, 1, 2, whole.len() / 2, whole.len() - 1] {
                assert_eq!(first(&whole[..less.min(whole.len() - 1)]), None, "{less} of {size}");
            }
        }
    }

    #[test]
    fn what_follows_stays() {
        let mut bytes = frame(3);
        bytes.extend([0x88, 2, 0x03, 0xe8]);
        let (_, _, length) = first(&bytes).expect("whole");
        assert_eq!(first(&bytes[length..]), Some((CLOSE, &[0x03, 0xe8][..], 4)));
    }
}
