/* What a sanitizer must notice: without that, the programs that run under it would prove nothing. */

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

int main (int argc, char **argv)
{
    const char *defect = argc > 1 ? argv[1] : "";
    void *context = zmq_ctx_new (), *push = zmq_socket (context, ZMQ_PUSH), *pull = zmq_socket (context, ZMQ_PULL);
    char endpoint[100], *data = malloc (1000);
    size_t size = sizeof endpoint;
    zmq_bind (pull, "tcp://127.0.0.1:*");
    zmq_getsockopt (pull, ZMQ_LAST_ENDPOINT, endpoint, &size);
    zmq_connect (push, endpoint);
    memset (data, 'x', 1000);

    zmq_msg_t msg;
    zmq_msg_init (&msg);
    zmq_send (push, data, 1000, 0);
    if (strcmp (defect, "overrun") == 0)
        zmq_send (push, data, 1001, 0);
    zmq_msg_recv (&msg, pull, 0);
    if (strcmp (defect, "leak") != 0)
        zmq_msg_close (&msg);
    free (data);
    if (strcmp (defect, "freed") == 0)
        zmq_send (push, data, 1000, 0);

    zmq_close (push);
    zmq_close (pull);
    zmq_ctx_term (context);
    return 0;
}
