//! Something that is to be a protocol, and is none.

// says: `Mine` is no protocol for requests of type `u32` and responses of type `u64`
// says: one of your own implements `Classify<u64>`, `Follow<u64>`, `Repeat<u32>` and `Discard<u64>`

use buttress::core::Protocol;

struct Mine;

fn speaks(_: impl Protocol<u32, u64>) {}

fn main() {
    speaks(Mine);
}
