/* The wall between C++ and C: no exception passes an extern "C" function. Internal to the bridge.
 */
#ifndef MUR_DICOM_BRIDGE_GUARD_H
#define MUR_DICOM_BRIDGE_GUARD_H

#include <exception>
#include <new>
#include <utility>

extern "C" {
#include "core/error.h"
}

namespace mur
{

/** Runs @p body, which returns a status; what it throws becomes one. */
template <typename Body> enum mur_status guard(struct mur_error *error, Body &&body)
{
    try {
        return std::forward<Body>(body)();
    } catch (const std::bad_alloc &) {
        return mur_error_no_memory(error);
    } catch (const std::exception &exception) {
        return mur_error_set(error, MUR_INTERNAL, "C++ exception: %s", exception.what());
    } catch (...) {
        return mur_error_set(error, MUR_INTERNAL, "unknown C++ exception");
    }
}

} // namespace mur

#endif
