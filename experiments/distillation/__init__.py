"""Experiments that distil a diffusion model of many steps into a generator of one."""
