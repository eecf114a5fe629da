//! Where gradients are added, and the sum over the shards of a batch and over several engines.

use gptlab_engine::{Reduce, ReduceError};

use super::{GpuEngine, Pass};
use crate::{
    GpuError, args,
    buffers::Place,
    dispatch::{Dispatch, Recording},
    kernel::Kernel,
};

/// The number of gradients that are sent to another engine at a time: 1 MiB.
const REDUCED: usize = 1 << 18;

impl GpuEngine {
    /// Returns where the gradients of chunk `number` are added, after clearing what is not valid
    /// there.
    pub(super) fn gradients_of(
        &mut self,
        pass: &Pass,
        number: usize,
        encoder: &mut wgpu::CommandEncoder,
    ) -> usize {
        let shard = pass.shards.iter().position(|own| own.contains(&number));
        let (Some(shard), total) = (shard, self.total()) else {
            return 0;
        };
        let (at, valid) = if pass.shards.len() == 1 {
            let valid = !self.cleared;
            self.cleared = false;
            (0, valid)
        } else {
            let most = self.filled.len().max(pass.shards.len());
            self.filled.resize(most, false);
            let valid = std::mem::replace(&mut self.filled[shard], true);
            ((1 + shard) * total, valid)
        };
        if !valid {
            self.clear(encoder, at);
        }
        at
    }

    /// Clears the gradients, or a shard's, that begin at `at`.
    pub(super) fn clear(&self, encoder: &mut wgpu::CommandEncoder, at: usize) {
        let (first, bytes) = (4 * at as u64, 4 * self.total() as u64);
        encoder.clear_buffer(self.buffers.at(Place::Gradients), first, Some(bytes));
    }

    /// Returns the numbers of the shards that hold gradients.
    fn filled(&self) -> Vec<usize> {
        let filled = self.filled.iter().enumerate();
        filled
            .filter(|(_, filled)| **filled)
            .map(|(i, _)| i)
            .collect()
    }

    /// Adds the shards to the gradients, in order.
    pub(super) fn add_shards(&mut self) -> Result<(), GpuError> {
        let shards = self.filled();
        if shards.is_empty() {
            return Ok(());
        }
        let total = self.total();
        let of_shard = |shard: usize| {
            let args = args::SumShards {
                count: total as u32,
                first: shard as u32,
                end: shard as u32 + 1,
            };
            Dispatch::of_threads(Kernel::SumShards, &args, total)
        };
        let dispatches: Vec<Dispatch> = shards.into_iter().map(of_shard).collect();
        let recording = Recording::new(&self.context, &dispatches)?;
        let mut encoder = self.context.encoder();
        if self.cleared {
            self.clear(&mut encoder, 0);
        }
        recording.encode(&mut encoder, self.buffers.bindings());
        self.context.submit(encoder);
        self.cleared = false;
        self.filled.clear();
        Ok(())
    }

    /// Adds the shards to the gradients of other engines.
    pub(super) fn reduce_with(&mut self, others: &mut dyn Reduce) -> Result<(), ReduceError> {
        let lost = |e: GpuError| ReduceError(e.to_string());
        let total = self.total();
        let gradients = self.buffers.at(Place::Gradients);
        let read = |at: usize| self.context.read(gradients, at, total);
        let mut sum = if self.cleared {
            vec![0.0; total]
        } else {
            read(0).map_err(lost)?
        };
        let shards = self.filled().into_iter();
        let shards = shards.map(|shard| read((1 + shard) * total));
        let shards = shards.collect::<Result<Vec<_>, _>>().map_err(lost)?;
        for (i, sum) in sum.chunks_mut(REDUCED).enumerate() {
            let at = i * REDUCED;
            others.receive(at, sum)?;
            for shard in &shards {
                for (sum, own) in sum.iter_mut().zip(&shard[at..]) {
                    *sum += own;
                }
            }
            others.send(at, sum)?;
        }
        others.total(&mut sum)?;
        self.context.write(gradients, 0, &sum);
        self.cleared = false;
        self.filled.clear();
        Ok(())
    }
}
