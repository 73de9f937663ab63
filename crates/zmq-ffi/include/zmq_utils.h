/* Everything that was here is in zmq.h; for programs that still include it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0 */

#ifndef __ZMQ_UTILS_H_INCLUDED__
#define __ZMQ_UTILS_H_INCLUDED__

#include "zmq.h"

#endif
