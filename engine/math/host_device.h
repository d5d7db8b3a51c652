#pragma once
/// Marks inline functions that host and device code share.
#if defined(__CUDACC__)
#define GIGAWARP_HD __host__ __device__ inline
#define GIGAWARP_HD_MEMBER __host__ __device__
#else
#define GIGAWARP_HD inline
#define GIGAWARP_HD_MEMBER
#endif
