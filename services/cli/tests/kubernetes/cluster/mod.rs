//! Services as the `dev` overlay has them: processes with the arguments of its containers and the configurations that are
//! mounted there, each replica at an address of its own, found by its name.

mod calls;
mod cases;
mod pods;
mod restoring;
mod rolling;
mod upgrade;
