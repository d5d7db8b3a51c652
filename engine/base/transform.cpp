#include "gigawarp/transform.h"
