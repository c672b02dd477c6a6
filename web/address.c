#include "web/address.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <string.h>

static bool is_local_v4(uint32_t address)
{
    return ntohl(address) >> 24 == 127;
}

bool mur_address_is_local(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return is_local_v4(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr);
    if (address->sa_family != AF_INET6)
        return false;
    const struct in6_addr *six = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    uint32_t four;
    memcpy(&four, six->s6_addr + 12, sizeof four);
    return IN6_IS_ADDR_LOOPBACK(six) || (IN6_IS_ADDR_V4MAPPED(six) && is_local_v4(four));
}

bool mur_host_is_local(const char *host)
{
    static const char name[] = "localhost";
    char text[INET6_ADDRSTRLEN];
    bool bracketed = host[0] == '[';
    const char *begin = bracketed ? host + 1 : host;
    size_t length = strcspn(begin, bracketed ? "]" : ":");
    size_t used = (size_t)(begin - host) + length + (bracketed ? 1 : 0);
    if (length >= sizeof text || (bracketed && begin[length] != ']') ||
        (host[used] != '\0' && host[used] != ':'))
        return false;
    memcpy(text, begin, length);
    text[length] = '\0';
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    if (bracketed)
        return inet_pton(AF_INET6, text, &six.sin6_addr) == 1 &&
               mur_address_is_local((const struct sockaddr *)(const void *)&six);
    return mur_ascii_equal_ignore_case(text, name) ||
           (inet_pton(AF_INET, text, &four.sin_addr) == 1 &&
            mur_address_is_local((const struct sockaddr *)(const void *)&four));
}

void mur_exchange_peer(char out[NI_MAXHOST], const struct mur_exchange *exchange)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    out[0] = '\0';
    if (info == NULL || info->client_addr == NULL)
        return;
    const struct sockaddr *address = info->client_addr;
    socklen_t length =
        address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (getnameinfo(address, length, out, NI_MAXHOST, NULL, 0, NI_NUMERICHOST) != 0)
        out[0] = '\0';
}
