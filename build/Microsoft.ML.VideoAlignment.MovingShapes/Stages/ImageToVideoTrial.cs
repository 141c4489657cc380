using Microsoft.ML.VideoAlignment.Autoencoders;
using Microsoft.ML.VideoAlignment.Denoisers.StableVideo;
using Microsoft.ML.VideoAlignment.Encoders;
using Microsoft.ML.VideoAlignment.MovingShapes.Training;
using Microsoft.ML.VideoAlignment.MovingShapes.World;
using Microsoft.ML.VideoAlignment.Schedulers;

namespace Microsoft.ML.VideoAlignment.MovingShapes.Stages;

/// <summary>Trial films.</summary>
internal static class ImageToVideoTrial
{
    public const string Name = "trial";

    public static void Run(Workshop shop)
    {
        using IDisposable guard = no_grad();
        using DisposeScope scope = NewDisposeScope();
        using SvdUNet unet = ImageToVideoStage.Load(shop);
        double factor = shop.Figure("temporal scaling factor");
        using AutoencoderKLTemporalDecoder vae = TemporalVaeStage.Load(shop, factor);
        using ClipVisionEncoder encoder = PictureEncoderStage.Load(shop);
        const int N = 12;
        Random random = StepRandom.Numbers(999, 0);
        Excerpt[] e = [.. Enumerable.Range(0, N).Select(i => Excerpt.BeginningOf(Film.Draw(random, dull: false)))];
        Tensor pictures = Excerpt.PaintFirst(e);
        Tensor real = Excerpt.PaintFilms(e);
        Tensor latents = vae.Encode((pictures * 2) - 1).Mean.unsqueeze(2).expand(-1, -1, 8, -1, -1);
        Tensor context = PictureEncoderStage.Embed(encoder, pictures).unsqueeze(1);
        foreach (double guidance in new[] { 1.0, shop.Guidance })
        {
            ISampler sampler = EulerDiscreteScheduler.FromConfig(ImageToVideoStage.SchedulerConfig()).CreateSampler(20);
            using Generator g = StepRandom.Tensors(999, 1);
            Tensor x = randn([N, 4, 8, 8, 8], generator: g) * sampler.InitialNoiseSigma;
            Tensor added = tensor(e.SelectMany(_ => new[] { 6f, 127f, 0.02f }).ToArray(), [N, 3]);
            Tensor scale = linspace(1, guidance, 8).view(1, 1, 8, 1, 1);
            for (int i = 0; i < sampler.Timesteps.Count; i++)
            {
                Tensor s = sampler.ScaleInput(x, i);
                Tensor v = unet.Forward(cat([s, latents], 1), sampler.Timesteps[i], context, added);
                if (guidance > 1)
                {
                    Tensor u = unet.Forward(cat([s, zeros_like(latents)], 1), sampler.Timesteps[i], zeros_like(context), added);
                    v = u + (scale * (v - u));
                }

                x = sampler.Step(i, x, v, [], null).Sample;
            }

            Tensor films = TemporalVaeStage.Decode(vae, x.transpose(1, 2).flatten(0, 1) / factor);
            ContactSheet.Write(stack([real, films], 1).flatten(0, 1), Path.Combine(shop.Folder, $"trial-{guidance:0.#}.png"));
            Subject[] seen = [.. Judge.Read(films)];
            Subject[] truth = [.. Judge.Read(real)];
            shop.Log.Write($"guidance {guidance}: colour {seen.Zip(truth).Count(p => p.First.Colour == p.Second.Colour)} shape {seen.Zip(truth).Count(p => p.First.Shape == p.Second.Shape)} background {seen.Zip(truth).Count(p => p.First.Background == p.Second.Background)} of {N}; motions {string.Join(' ', seen.Select(s => s.Motion))}; first frame mse {(films.select(2, 0) - pictures).square().mean().item<float>():F5}");
        }
    }
}
