#pragma once

// Calls of operator new so far, in the whole program; linking heap_count.cpp replaces that operator.
long heap_allocations();
