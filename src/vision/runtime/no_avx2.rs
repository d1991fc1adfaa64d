//! Replaces `avx2` on other processors: usher has no kernels for them, so LiteRT runs every network.

use std::convert::Infallible;

use super::input::InputForm;

/// Never created.
#[derive(Clone)]
pub(super) struct Kernels(Infallible);

impl Kernels {
    pub fn of(_: &[u8], _: InputForm) -> Option<Kernels> {
        None
    }

    pub fn are_faster() -> bool {
        false
    }

    pub fn network(&self, _: [usize; 4]) -> Option<KernelNetwork> {
        match self.0 {}
    }
}

/// Never created.
pub(super) struct KernelNetwork(Infallible);

impl KernelNetwork {
    pub fn output_shapes(&self) -> Vec<Vec<usize>> {
        match self.0 {}
    }

    pub fn run(&mut self, _: &[u8]) {
        match self.0 {}
    }

    pub fn output(&self, _: usize) -> Option<&[f32]> {
        match self.0 {}
    }
}
