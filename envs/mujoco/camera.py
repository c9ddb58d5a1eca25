"""Pictures of MuJoCo's robots without a screen."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from ctypes.util import find_library
from importlib import import_module
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
import numpy.typing as npt

from envs.arrays import Floats
from envs.drawing import SCENE

_WIDTH, _HEIGHT = round(SCENE.right), round(SCENE.bottom)
_BACKENDS = ("egl", "osmesa", "glfw")


class Camera:
    """Draws states of one MuJoCo model, seen by its own camera ``track``, or from where MuJoCo looks at models without one.

    ``mujoco.Renderer`` draws by the OpenGL library that ``MUJOCO_GL`` named when MuJoCo was imported, and needs a screen if it
    named none. Here ``MUJOCO_GL`` decides too, but without it one is taken that needs no screen, if there is any.

    OpenGL is started by the first picture and left by :meth:`close`.
    """

    def __init__(self, model: Any) -> None:
        """Say what to draw.

        Args:
            model: The ``mujoco.MjModel``; what its bodies look like may change between pictures, their number may not.
        """
        self.model = model
        self._started: tuple[Any, ...] | None = None

    def picture(self, positions: Floats) -> npt.NDArray[np.uint8]:
        """Draw a state.

        Args:
            positions: Of the joints, ``qpos``, ``(nq,)``.

        Returns:
            As large as :data:`envs.drawing.SCENE`, ``(h, w, 3)``.

        Raises:
            gymnasium.error.DependencyNotInstalled: There is no OpenGL that works here.
        """
        import mujoco

        if self._started is None:
            self._started = self._start(mujoco)
        window, context, scene, camera, data = self._started
        window.make_current()
        data.qpos[:] = positions
        mujoco.mj_fwdPosition(self.model, data)
        mujoco.mjv_updateScene(self.model, data, mujoco.MjvOption(), None, camera, mujoco.mjtCatBit.mjCAT_ALL, scene)
        frame, view = np.empty((_HEIGHT, _WIDTH, 3), np.uint8), mujoco.MjrRect(0, 0, _WIDTH, _HEIGHT)
        mujoco.mjr_render(view, scene, context)
        mujoco.mjr_readPixels(frame, None, view, context)
        return frame[::-1]

    def _start(self, mujoco: Any) -> tuple[Any, ...]:
        try:
            with catch_warnings():
                simplefilter("ignore")  # what they say follows in one message
                window = _window(mujoco)
                window.make_current()
                context = mujoco.MjrContext(self.model, mujoco.mjtFontScale.mjFONTSCALE_150)
        except Exception as error:
            from gymnasium.error import DependencyNotInstalled

            raise DependencyNotInstalled(
                "robots are drawn by OpenGL, and none works here. Without a screen: apt-get install libegl1 libgl1-mesa-dri "
                "and MUJOCO_GL=egl, or apt-get install libosmesa6 and MUJOCO_GL=osmesa; set the variable before Python starts"
            ) from error
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, context)
        camera = mujoco.MjvCamera()
        mujoco.mjv_defaultFreeCamera(self.model, camera)
        tracking = mujoco.mj_name2id(self.model, mujoco.mjtObj.mjOBJ_CAMERA, "track")
        if tracking >= 0:
            camera.type, camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, tracking
        return window, context, mujoco.MjvScene(self.model, maxgeom=1000), camera, mujoco.MjData(self.model)

    def close(self) -> None:
        """Leave OpenGL; a further picture starts it again."""
        if self._started is not None:
            window, context, *_ = self._started
            self._started = None
            window.make_current()
            context.free()
            window.free()

    def __del__(self) -> None:
        # Python may be on its way out, and OpenGL gone.
        with suppress(Exception):
            self.close()


def _window(mujoco: Any) -> Any:
    """MuJoCo's OpenGL context of the library that is to be used."""
    wanted = os.environ.get("MUJOCO_GL", "").lower().strip() or os.environ.get("PYOPENGL_PLATFORM", "").lower().strip()
    if wanted not in _BACKENDS:
        if platform.system() != "Linux":
            return mujoco.gl_context.GLContext(_WIDTH, _HEIGHT)
        # Only one of them can be imported in a process.
        wanted = "egl" if find_library("EGL") else "osmesa" if find_library("OSMesa") else "glfw"
    return import_module(f"mujoco.{wanted}").GLContext(_WIDTH, _HEIGHT)
