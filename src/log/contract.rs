//! One contract for every log: what stands above the trait may rely on this and nothing else.
