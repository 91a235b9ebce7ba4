// What the shared library shows.
#pragma once

#if defined(_WIN32)
#define MAURY_API
#else
#define MAURY_API __attribute__((visibility("default")))
#endif
