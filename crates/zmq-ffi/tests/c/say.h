/* What the programs share: each prints what it sees, and the same must come out with every ZeroMQ. */

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>
#include <zmq.h>

#pragma GCC diagnostic ignored "-Wunused-function"

static const char *name_of (int error)
{
    switch (error) {
        case EAGAIN: return "EAGAIN";
        case EFSM: return "EFSM";
        case ETERM: return "ETERM";
        case EINTR: return "EINTR";
        case EINVAL: return "EINVAL";
        case EFAULT: return "EFAULT";
        case ENOTSOCK: return "ENOTSOCK";
        case ENOTSUP: return "ENOTSUP";
        case ENOENT: return "ENOENT";
        case EADDRINUSE: return "EADDRINUSE";
        case EADDRNOTAVAIL: return "EADDRNOTAVAIL";
        case EHOSTUNREACH: return "EHOSTUNREACH";
        case EPROTONOSUPPORT: return "EPROTONOSUPPORT";
        case ENOCOMPATPROTO: return "ENOCOMPATPROTO";
        case EMFILE: return "EMFILE";
        case EMTHREAD: return "EMTHREAD";
        case ENODEV: return "ENODEV";
        case ENAMETOOLONG: return "ENAMETOOLONG";
        default: return zmq_strerror (error);
    }
}

/* Prints the call and what it returned. */
#define SAY(call)                                                                                                      \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        long result_ = (long) (call);                                                                                  \
        if (result_ == -1)                                                                                             \
            printf ("%s = -1 %s\n", #call, name_of (zmq_errno ()));                                                    \
        else                                                                                                           \
            printf ("%s = %ld\n", #call, result_);                                                                     \
    } while (0)

static void set (void *socket, int option, int value)
{
    int rc = zmq_setsockopt (socket, option, &value, sizeof value);
    assert (rc == 0);
}

static int get (void *socket, int option)
{
    int value = -12345;
    size_t size = sizeof value;
    int rc = zmq_getsockopt (socket, option, &value, &size);
    return rc == 0 ? value : -errno;
}

static void *make (void *context, int type)
{
    void *socket = zmq_socket (context, type);
    assert (socket);
    set (socket, ZMQ_LINGER, 0);
    set (socket, ZMQ_RCVTIMEO, 10000);
    set (socket, ZMQ_SNDTIMEO, 10000);
    return socket;
}

/* Connects to where the server is bound. */
static void visit (void *server, void *client)
{
    char endpoint[256];
    size_t size = sizeof endpoint;
    assert (zmq_getsockopt (server, ZMQ_LAST_ENDPOINT, endpoint, &size) == 0);
    assert (zmq_connect (client, endpoint) == 0);
}

/* Binds with a wildcard and connects. */
static void join (void *server, void *client, const char *wild)
{
    assert (zmq_bind (server, wild) == 0);
    visit (server, client);
}

/* Binds where somebody was bound: the address is free once the I/O thread has closed the listener. */
static int bind_again (void *socket, const char *endpoint)
{
    int rc = -1;
    for (int try = 0; try < 1000 && rc != 0; try++) {
        rc = zmq_bind (socket, endpoint);
        if (rc != 0)
            usleep (10000);
    }
    return rc;
}

/* Receives a message and prints its frames. */
static void show (void *socket, int flags)
{
    int more = 1;
    while (more) {
        char buffer[64];
        errno = 0;
        int size = zmq_recv (socket, buffer, sizeof buffer, flags);
        if (size < 0) {
            printf ("[%s]\n", name_of (errno));
            return;
        }
        printf ("[%d:", size);
        for (int i = 0; i < size && i < (int) sizeof buffer; i++)
            printf (buffer[i] >= ' ' && buffer[i] < 127 ? "%c" : "\\%02x", (unsigned char) buffer[i]);
        more = get (socket, ZMQ_RCVMORE);
        printf (more ? "]" : "]\n");
    }
}

