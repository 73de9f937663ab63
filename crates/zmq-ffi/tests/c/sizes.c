/* Every option on every type of socket: what it says to values and places of every size. */
#include "say.h"

/* Of other builds than the plain one (GSSAPI, VMCI), or different on purpose (README.md): a REP does not become raw, a
 * STREAM has no security, and no routing id has more than 255 bytes. */
static int skipped (int type, int option, size_t size)
{
    if (type == ZMQ_STREAM
        && ((option >= ZMQ_PLAIN_SERVER && option <= ZMQ_CURVE_SERVERKEY) || option == ZMQ_ZAP_DOMAIN))
        return 1;
    if (option == ZMQ_CONNECT_ROUTING_ID && size > 255)
        return 1;
    return (type == ZMQ_REP && option == ZMQ_ROUTER_RAW) || (option >= 62 && option <= 65)
           || (option >= 85 && option <= 88) || option == 90 || option == 91;
}

int main (void)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    static const size_t sizes[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 16, 31, 32, 33, 39, 40, 41, 42, 254, 255, 256, 300};
    void *context = zmq_ctx_new ();
    for (int type = 0; type < 12; type++)
        for (int option = 0; option < 93; option++) {
            if (skipped (type, option, 0))
                continue;
            void *socket = zmq_socket (context, type);
            printf ("type %d option %d: get", type, option);
            unsigned char value[301];
            for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
                size_t size = sizes[i];
                memset (value, 0x55, sizeof value);
                if (zmq_getsockopt (socket, option, value, &size) == 0)
                    printf (" %zu:%zu", sizes[i], size);
                else if (zmq_errno () != EINVAL || size != sizes[i])
                    printf (" %zu:%s,%zu", sizes[i], name_of (zmq_errno ()), size);
            }
            printf ("; set");
            for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
                size_t size = sizes[i];
                if (skipped (type, option, size))
                    continue;
                /* Numbers are 1, and texts begin with a letter. */
                memset (value, 0, sizeof value);
                value[0] = 1;
                if (size != 4 && size != 8)
                    memset (value, 'a', size);
                if (zmq_setsockopt (socket, option, value, size) == 0)
                    printf (" %zu", size);
                else if (zmq_errno () != EINVAL)
                    printf (" %zu:%s", size, name_of (zmq_errno ()));
            }
            if (zmq_setsockopt (socket, option, NULL, 0) == 0)
                printf (" null");
            else if (zmq_errno () != EINVAL)
                printf (" null:%s", name_of (zmq_errno ()));
            puts ("");
            set (socket, ZMQ_LINGER, 0);
            zmq_close (socket);
        }
    return zmq_ctx_term (context);
}
