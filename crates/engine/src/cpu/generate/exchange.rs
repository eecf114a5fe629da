//! What the threads of a team tell each other while a token goes through the model.
//!
//! Every member has a desk with two trays. What it tells lies in a tray, behind a lock, under the number of the turn;
//! beside it stands that number, so that who waits for it need not take the lock in vain. Trays alternate: a member lays
//! down turn k + 2 only when it has heard what the others told in turn k + 1, and they told that after they had heard
//! turn k. Whoever comes late nevertheless finds another number in the tray, and knows it.

use std::{
    hint,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// One member's.
#[derive(Debug, Default)]
pub(super) struct Desk {
    trays: [Tray; 2],
}

#[derive(Debug, Default)]
struct Tray {
    /// The turn of what lies in it.
    turn: Line<AtomicU64>,
    told: Line<Mutex<Told>>,
}

/// On a line of its own: what another writes beside it would slow who looks at it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line<T>(T);

#[derive(Debug, Default)]
struct Told {
    turn: u64,
    numbers: Vec<f32>,
}

impl Desk {
    fn tray(&self, turn: u64) -> &Tray {
        &self.trays[(turn % 2) as usize]
    }

    /// Tells some of the numbers of a row in `turn`.
    pub(super) fn tell<'a>(&self, turn: u64, pieces: impl Iterator<Item = &'a [f32]>) {
        let tray = self.tray(turn);
        let mut told = tray.told.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.turn = turn;
        told.numbers.clear();
        pieces.for_each(|piece| told.numbers.extend_from_slice(piece));
        drop(told);
        tray.turn.0.store(turn, Ordering::Release);
    }

    /// Waits until `turn` is told, as long as `patience` has it.
    pub(super) fn wait(&self, turn: u64, mut patience: impl FnMut() -> bool) -> bool {
        let tray = self.tray(turn);
        while tray.turn.0.load(Ordering::Acquire) < turn {
            if !patience() {
                return false;
            }
            hint::spin_loop();
        }
        true
    }

    /// Hands what was told in `turn` to `hear`; false where it was something else.
    pub(super) fn hear(&self, turn: u64, hear: impl FnOnce(&[f32])) -> bool {
        let tray = self.tray(turn);
        let told = tray.told.0.lock().unwrap_or_else(PoisonError::into_inner);
        let right = told.turn == turn;
        if right {
            hear(&told.numbers);
        }
        right
    }
}
