//! Examples; each file beside this one is a lesson.

#![forbid(unsafe_code)]
