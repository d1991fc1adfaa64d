//! Positions in the configuration's lists: which door, schedule or camera is meant, without its name.
//!
//! A position is made where the list is walked or a name is resolved. Elsewhere it is only passed on.

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub usize);

        impl $name {
            /// The positions of a list of `length` entries, in order.
            pub fn all(length: usize) -> impl Iterator<Item = $name> {
                (0..length).map($name)
            }
        }
    };
}

index! {
    /// The position of a `[[door]]`, from 0.
    DoorIndex
}
index! {
    /// The position of a `[[schedule]]`, from 0.
    ScheduleIndex
}
index! {
    /// The position of a `[[camera]]`, from 0.
    CameraIndex
}
