//! That machines learn what there is to learn.
