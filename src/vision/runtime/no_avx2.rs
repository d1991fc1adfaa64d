//! In place of `avx2` on other processors: no network has kernels of its own here, and LiteRT runs them all.

use std::convert::Infallible;

use super::network::InputForm;

/// What there is none of.
#[derive(Clone)]
pub(super) struct Kernels(Infallible);

impl Kernels {
    pub fn of(_: &[u8], _: InputForm) -> Option<Kernels> {
        None
    }

    pub fn are_ahead() -> bool {
        false
    }

    pub fn network(&self, _: [usize; 4]) -> Option<Network> {
        match self.0 {}
    }
}

/// What there is none of.
pub(super) struct Network(Infallible);

impl Network {
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
